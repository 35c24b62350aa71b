# MTTR with the backbone, temporal mixing, text encoder, channels and numbers of layers of
# r2vos_tiny.py. Temporal context comes from the mixing; in the original, from the backbone.
_base_ = ['./r2vos_tiny.py', './mttr_losses.py']
channels = 128
mask_channels = 8
attention = dict(
    embed_dims=channels,
    num_heads=4,
    attn_drop=0.0,
    dropout_layer=dict(type='Dropout', drop_prob=0.0),
    batch_first=True,
)
ffn = dict(embed_dims=channels, feedforward_channels=256, ffn_drop=0.0)

model = dict(
    neck=dict(
        _delete_=True,
        type='MultimodalTransformerNeck',
        in_channels=[64, 128, 256],
        channels=channels,
        encoder=dict(
            type='DetrEncoderWithoutAttentionWeights',
            num_layers=1,
            layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn),
        ),
        temporal_mixing=dict(
            type='TemporalMixing', channels=channels, num_levels=1, hidden=channels // 2
        ),
        spatial_decoder=dict(type='SpatialDecoder', mask_channels=mask_channels),
        positional_encoding=dict(
            type='FramewisePositionalEncoding', num_feats=channels // 2, normalize=True
        ),
    ),
    cycle_head=None,
    mask_head=dict(
        _delete_=True,
        type='InstanceSequenceHead',
        channels=channels,
        mask_channels=mask_channels,
        num_queries=10,  # clips have at most 5 objects
        other_weight=0.1,
        decoder=dict(
            type='DetrDecoderWithoutAttentionWeights',
            num_layers=3,
            return_intermediate=True,
            layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn),
        ),
        **_base_.mttr_losses,
    ),
    test_cfg=dict(mask_reader=dict(type='InputSizeMaskReader')),
)
