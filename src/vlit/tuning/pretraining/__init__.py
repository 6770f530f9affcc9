"""Making the mini weights: what the published checkpoints are to the paper, trained here from nothing on the world.

    tokenizer
    clip_first, eva, clip          contrastive, and patch labels
    opt_text, opt, vicuna          text
    llava, blip2, openflamingo     captions and descriptions

Scenes of this stage are disjoint from those of instruction data and benchmark. The results are shipped in
`weights/mini`; `python pretrain.py` makes them anew.
"""
