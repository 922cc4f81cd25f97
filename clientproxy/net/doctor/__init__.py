"""`clientproxy doctor`: looks at what lies between this machine and the picture.

`examination` says in which order; `clientproxy/core/diagnosis` judges what was measured.
"""
