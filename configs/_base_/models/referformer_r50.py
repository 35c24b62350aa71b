# ReferFormer, ResNet-50: the released R2-VOS without its cycle, with a pixel decoder that reads the
# text at every level, and roberta-base for the text. Box terms count frames without the object.
_base_ = './r2vos_released.py'
channels = 256
block = dict(type='VisionLanguageBlock', channels=channels, num_heads=8, hidden=2048, dropout=0.1)

model = dict(
    text_encoder=dict(name_or_path='roberta-base'),
    neck=dict(
        type='ReferFormerNeck',
        grounding=dict(_delete_=True, type='CrossModalGrounding', channels=channels, block=block),
        # strides 16, 8 and 4 see themselves on a grid of stride 32, too
        pyramid=dict(
            _delete_=True,
            type='CrossModalPyramid',
            channels=channels,
            block=block,
            reductions=(2, 4, 8),
        ),
    ),
    cycle_head=None,
    mask_head=dict(mixes_reconstruction=False),
)
