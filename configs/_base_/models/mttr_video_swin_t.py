# MTTR, Video-Swin-T: one encoder for the cells (stride 16) and words of a frame, 50 queries, one
# per instance of the clip. The data config sets the number of frames per clip.
_base_ = './mttr_losses.py'
channels = 256
mask_channels = 8
attention = dict(
    embed_dims=channels,
    num_heads=8,
    attn_drop=0.1,
    dropout_layer=dict(type='Dropout', drop_prob=0.1),
    batch_first=True,
)
ffn = dict(embed_dims=channels, feedforward_channels=2048, ffn_drop=0.1)

model = dict(
    type='ReferringVideoSegmentor',
    data_preprocessor=dict(type='ReferringDataPreprocessor', pad_size_divisor=1),
    backbone=dict(
        type='VideoSwinTransformer',
        embed_dims=96,
        depths=(2, 2, 6, 2),
        num_heads=(3, 6, 12, 24),
        window_size=(8, 7, 7),
        drop_path_rate=0.1,
        out_indices=(0, 1, 2),
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://github.com/SwinTransformer/storage/releases/download/v1.0.4/swin_tiny_patch244_window877_kinetics400_1k.pth',
        ),
    ),
    # MTTR does not use the sentence embedding
    text_encoder=dict(
        type='TransformerTextEncoder',
        name_or_path='roberta-base',
        pooling='mean',
        channels=channels,
        frozen=True,
    ),
    neck=dict(
        type='MultimodalTransformerNeck',
        in_channels=[96, 192, 384],
        channels=channels,
        encoder=dict(
            type='DetrEncoderWithoutAttentionWeights',
            num_layers=3,
            layer_cfg=dict(self_attn_cfg=attention, ffn_cfg=ffn),
        ),
        spatial_decoder=dict(type='SpatialDecoder', mask_channels=mask_channels),
        positional_encoding=dict(
            type='FramewisePositionalEncoding', num_feats=channels // 2, normalize=True
        ),
    ),
    mask_head=dict(
        type='InstanceSequenceHead',
        channels=channels,
        mask_channels=mask_channels,
        num_queries=50,
        other_weight=0.1,
        decoder=dict(
            type='DetrDecoderWithoutAttentionWeights',
            num_layers=3,
            return_intermediate=True,
            layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=attention, ffn_cfg=ffn),
        ),
        **_base_.mttr_losses,
    ),
    # all frames of a video in one forward pass
    test_cfg=dict(
        frames_per_pass=None, pairs_per_pass=1, mask_reader=dict(type='InputSizeMaskReader')
    ),
)
