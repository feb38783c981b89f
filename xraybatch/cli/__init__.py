"""The command line: options in, one use case called, console out. The only room that knows Click.

Comes in: what a person typed. Goes out: words on the console, and an exit code: 0 done; 1 a fault
of ours; 2 wrong usage; 3 input that cannot be used; 4 a bar was missed; 5 interrupted, can go on.
"""
