# ReferFormer with the same backbone, text encoder and channels, without negative pairs.
_base_ = './r2vos.py'
channels = 64
block = dict(type='VisionLanguageBlock', channels=channels, num_heads=4, hidden=128, dropout=0.1)
model = dict(
    word_maps=None,
    negatives_train='verdict',
    neck=dict(
        type='ReferFormerNeck',
        word_input=None,
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
