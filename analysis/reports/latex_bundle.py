"""A directory from which LaTeX makes the run's page: figure at its true size, caption, table, and a document."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from analysis.figures import paper_style, save_figure
from analysis.files import write_atomically
from analysis.reports.latex import as_latex, caption_in_latex
from analysis.reports.results_figure import caption, provenance, results_figure
from analysis.reports.tables import latex_table
from analysis.results.experiment_results import ExperimentResults

__all__ = ["compile_bundle", "write_bundle"]

_TIMEOUT = 300
"""Seconds; tectonic may have to fetch packages."""

_DOCUMENT = r"""\documentclass[10pt]{article}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage[margin=2.5cm]{geometry}
\usepackage{amsmath,booktabs,graphicx,siunitx}
\title{%s}
\date{}
\input{caption}
\begin{document}
\maketitle
%s

\begin{figure}[h]
\centering
%% No width or scale: the figure has its true size.
\includegraphics{figure}
\caption{\runcaption}
\end{figure}

\begin{table}[h]
\centering\footnotesize
\resizebox{\ifdim\width>\textwidth\textwidth\else\width\fi}{!}{\input{table}}
\end{table}
\end{document}
"""


def write_bundle(results: ExperimentResults, directory: Path) -> list[Path]:
    """Write ``report.tex`` and what it includes; returns the paths.

    Args:
        results: of a finished run.
        directory: made if absent; files of these names are replaced.
    """
    directory.mkdir(parents=True, exist_ok=True)
    with paper_style():
        written = save_figure(
            results_figure(results), directory, "figure", provenance(results.experiment), formats=("pdf",)
        )
    sentences = "\n\n".join(as_latex(curve.verdict.sentence, keep_unknown=True) for curve in results.curves)
    texts = {
        "caption.tex": f"\\newcommand{{\\runcaption}}{{{caption_in_latex(caption(results))}}}\n",
        "table.tex": latex_table(results),
        "report.tex": _DOCUMENT % (as_latex(results.experiment.title, keep_unknown=True), sentences),
    }
    for name, text in texts.items():
        written.append(directory / name)
        write_atomically(written[-1], text)
    return written


def compile_bundle(directory: Path) -> Path | str:
    """Make ``report.pdf`` with tectonic or pdflatex; the path, or why there is none, in one line."""
    for program, options in (("tectonic", []), ("pdflatex", ["-interaction=nonstopmode", "-halt-on-error"])):
        found = shutil.which(program)
        if found is None:
            continue
        try:
            done = subprocess.run(
                [found, *options, "report.tex"],
                cwd=directory,
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_TIMEOUT,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"{program} did not run ({type(error).__name__})"
        if done.returncode == 0 and (directory / "report.pdf").is_file():
            return directory / "report.pdf"
        lines = [
            line for line in done.stdout.splitlines() + done.stderr.splitlines() if line.startswith(("!", "error"))
        ]
        return f"{program} failed ({lines[0] if lines else 'see report.log'})"
    return "neither tectonic nor pdflatex is installed"
