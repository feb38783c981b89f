"""The reference films that every installation must decode alike, and the script that made them.

They are synthetic and stored, not made at use time: what is compared is decoding, not writing.
"""
