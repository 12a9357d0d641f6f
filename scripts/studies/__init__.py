"""One folder for each page of the documentation that a program writes."""
