"""The book's machinery: executing the notebooks and building the pages. The command is ``ipiu book``."""
