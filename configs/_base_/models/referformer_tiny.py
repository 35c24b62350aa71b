# ReferFormer at the size of r2vos_tiny.py: same backbone, text encoder, channels, levels and query.
# Its pixel decoder has a block for each of the strides 16, 8 and 4.
_base_ = './r2vos_tiny.py'
channels = 128
block = dict(type='VisionLanguageBlock', channels=channels, num_heads=4, hidden=256, dropout=0.0)

model = dict(
    neck=dict(
        type='ReferFormerNeck',
        grounding_level=1,  # stride 16
        grounding=dict(_delete_=True, type='CrossModalGrounding', channels=channels, block=block),
        # strides 8 and 4 see themselves on a grid of stride 16, too
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
