"""Making the mini weights: what the published checkpoints are to the paper, trained here from nothing on the world.

    tokenizer
    clip_first, clip_second, clip, eva    contrastive, and patch labels
    opt_short, opt_text                   text: short documents, then long ones and conversations
    vicuna_short, vicuna                  text: short documents, then long ones
    {family}_connector                    image tokens that keep what patches show
    {family}_captions                     captions and descriptions
    {family}                              short questions

Scenes of this stage are disjoint from those of instruction data and benchmark. The results are shipped in
`weights/mini`; `python -m vlit.mini.pretraining force=true` makes them again.
"""
