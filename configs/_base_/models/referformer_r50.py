# ReferFormer, ResNet-50: the released R2-VOS without the cycle, with a pixel decoder that uses the
# text at every level, and roberta-base. Box terms include frames without the object.
_base_ = './r2vos_released.py'
channels = 256
block = dict(type='VisionLanguageBlock', channels=channels, num_heads=8, hidden=2048, dropout=0.1)

model = dict(
    text_encoder=dict(name_or_path='roberta-base'),
    neck=dict(
        type='ReferFormerNeck',
        grounding=dict(_delete_=True, type='CrossModalGrounding', channels=channels, block=block),
        # self-attention of strides 16, 8 and 4 on a grid of stride 32
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
