"""What is stepped: the constructions as Gymnasium goal environments."""
