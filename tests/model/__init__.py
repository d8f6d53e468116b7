"""The promises judged from outside: a checker of histories, machines that make histories, and mutants to catch."""
