# ReferFormer with the backbone, text encoder, channels, levels and single query of r2vos_tiny.py.
# Its pixel decoder has one block for each of the strides 16, 8 and 4.
_base_ = './r2vos_tiny.py'
channels = 128
block = dict(type='VisionLanguageBlock', channels=channels, num_heads=4, hidden=256, dropout=0.0)

model = dict(
    neck=dict(
        type='ReferFormerNeck',
        grounding_level=1,  # stride 16
        grounding=dict(_delete_=True, type='CrossModalGrounding', channels=channels, block=block),
        # self-attention of strides 8 and 4 on a grid of stride 16
        pyramid=dict(
            _delete_=True,
            type='CrossModalPyramid',
            channels=channels,
            block=block,
            reductions=(2, 4),
        ),
    ),
    cycle_head=None,
    mask_head=dict(
        mixes_reconstruction=False,
        mask_predictor=dict(_delete_=True, type='DynamicMaskPredictor', channels=channels),
    ),
)
