"""What is shown of a finished run: tables, figures, the terminal's report, pages, LaTeX."""
