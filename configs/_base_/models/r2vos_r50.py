# R2-VOS as in the supplement of the paper: ResNet-50, four encoder layers, D_v and D_e of three.
channels = 256
num_levels = 4  # strides 8, 16, 32, 64
num_heads = 8
ffn = dict(embed_dims=channels, feedforward_channels=2048, ffn_drop=0.1)
deformable = dict(embed_dims=channels, num_levels=num_levels, dropout=0.1, batch_first=True)
attention = dict(embed_dims=channels, num_heads=num_heads, dropout=0.1, batch_first=True)
position = dict(type='FramewisePositionalEncoding', num_feats=128, normalize=True, offset=-0.5)

model = dict(
    type='ReferringVideoSegmentor',
    data_preprocessor=dict(type='ReferringDataPreprocessor', pad_size_divisor=32),
    backbone=dict(
        type='FoldedResNet',
        depth=50,
        num_stages=4,
        out_indices=(0, 1, 2, 3),
        frozen_stages=1,
        norm_cfg=dict(type='BN', requires_grad=False),
        norm_eval=True,
        style='pytorch',
        # the address has not been verified (docs/model_zoo.md)
        init_cfg=dict(
            type='Pretrained',
            checkpoint='https://download.pytorch.org/models/resnet50-0676ba61.pth',
        ),
    ),
    text_encoder=dict(
        type='TransformerTextEncoder',
        name_or_path='distilroberta-base',
        pooling='pooler',
        channels=channels,
        frozen=True,
    ),
    neck=dict(
        type='GroundingNeck',
        in_channels=[256, 512, 1024, 2048],
        channels=channels,
        num_levels=num_levels,
        grounding_level=2,  # stride 32
        input_proj=dict(
            type='mmdet.ChannelMapper',
            out_channels=channels,
            kernel_size=1,
            act_cfg=None,
            norm_cfg=dict(type='GN', num_groups=32),
            bias=True,
            num_outs=num_levels,
        ),
        fusion=dict(type='MultimodalFusion', channels=channels, num_heads=num_heads),
        encoder=dict(
            type='DeformableDetrTransformerEncoder',
            num_layers=4,
            # number of layers to recompute in the backward pass (docs/training.md, less memory)
            num_cp=0,
            layer_cfg=dict(self_attn_cfg=deformable, ffn_cfg=ffn),
        ),
        positional_encoding=position,
        grounding_position=position,
        grounding=dict(
            type='EarlyGrounding',
            channels=channels,
            attention=dict(
                type='DualCrossAttention', channels=channels, num_heads=num_heads, hidden=2048
            ),
            dynamic_filter=dict(type='DynamicFilter', channels=channels, num_filters=3),
        ),
        # the levels below the grounding stride (16, 8), and stride 4
        pyramid=dict(type='TopDownPyramid', channels=channels, num_laterals=3),
    ),
    cycle_head=dict(
        type='RelationalCycleHead',
        channels=channels,
        # lambda_text = 0.1, times 1 and lambda_angle = 10
        loss_dist=dict(type='RelationalDistanceLoss', loss_weight=0.1),
        loss_angle=dict(type='RelationalAngleLoss', loss_weight=1.0),
        loss_align=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=1.0),
    ),
    mask_head=dict(
        type='ReferringMaskHead',
        channels=channels,
        num_queries=5,
        decoder=dict(
            type='DeformableDetrTransformerDecoder',
            num_layers=3,
            return_intermediate=True,
            post_norm_cfg=None,
            layer_cfg=dict(self_attn_cfg=attention, cross_attn_cfg=deformable, ffn_cfg=ffn),
        ),
        mask_predictor=dict(type='LinearMaskPredictor', channels=channels),
        matcher=dict(
            type='TubeMatcher',
            costs=[
                dict(type='TubeScoreCost', weight=2.0),
                dict(type='TubeL1Cost', weight=5.0),
                dict(type='TubeGIoUCost', weight=2.0),
                dict(type='TubeFocalCost', weight=5.0),
                dict(type='TubeDiceCost', weight=2.0),
            ],
        ),
        loss_cls=dict(
            type='mmdet.FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=2.0
        ),
        loss_bbox=dict(type='mmdet.L1Loss', loss_weight=5.0),
        loss_giou=dict(type='TubeGIoULoss', loss_weight=2.0),
        # lambda_mask = 2, times lambda_focal = 5 and lambda_dice = 2
        loss_mask=dict(
            type='mmdet.FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=10.0
        ),
        loss_dice=dict(
            type='mmdet.DiceLoss',
            use_sigmoid=True,
            activate=True,
            naive_dice=True,
            eps=1.0,
            loss_weight=4.0,
        ),
    ),
    # The paper processes whole videos in one pass. 36 frames limit the memory for long videos; each
    # expression then has 36 x 4,820 encoder tokens at 360p, and more frames are not faster on a
    # GPU.
    test_cfg=dict(frames_per_pass=36, pairs_per_pass=1, gate_threshold=0.5),
)
