"""Making the mini weights: what the published checkpoints are to the paper, trained here from nothing on the world.

    tokenizer -> clip, clip_eva (contrastive) -> opt, llama (text) -> llava, blip2, openflamingo (alignment by captions)

Scenes of this stage are disjoint from those of instruction data and benchmark. The results are shipped in `weights/mini`;
`python pretrain.py` makes them anew.
"""
