"""Reports: tables as text, Markdown, LaTeX, CSV and HTML."""
