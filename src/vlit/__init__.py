"""vlit: vision-language instruction tuning, from annotations to the relation of data quality and performance.

The rooms, in the order data flows; each reads only rooms to its left:

    world -> construct -> data -> quality -> models -> tuning -> benchmark -> analysis

Importing `vlit` imports none of them, so that `train.py --help` and `tables.py` need not wait for torch.
"""
