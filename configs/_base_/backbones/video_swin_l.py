# Video Swin L. There are no public Kinetics-400 weights.
_base_ = './video_swin_b.py'
backbone = dict(embed_dims=192, num_heads=(6, 12, 24, 48), init_cfg=None)
neck = dict(in_channels=[192, 384, 768, 1536])
