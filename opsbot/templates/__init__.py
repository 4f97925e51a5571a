"""What `opsbot new` writes, with "example" in place of the name.

Kept as code, so that it is linted and typed.
"""
