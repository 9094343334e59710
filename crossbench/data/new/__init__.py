"""From a folder of files to a task: what is in it, what is made of it, and its card."""
