"""The ops, one file per op or close family; `ncc.ir.op.load_ops` imports them all."""
