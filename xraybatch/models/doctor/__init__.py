"""Is this machine fit for prediction? What ``xraybatch doctor`` finds out.

Comes in: `Probes`, the ways to ask the machine, which tests replace. Goes out: a `Diagnosis`, whose
findings each say ok, note or problem and what to type. `machine`, `nvidia` and `packages` tell what
is there, `trial` runs the demonstration model on one device in a process of its own; `runtimes`,
`devices`, `system` and `parts` judge; `examine` puts them in order and guards each.
"""
