"""Code that several folders of solvers share; it imports none of them."""
