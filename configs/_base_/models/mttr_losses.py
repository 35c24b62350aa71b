# Matching and losses of the instance queries of MTTR.
mttr_losses = dict(
    matcher=dict(
        type='SequenceMatcher',
        costs=[
            dict(type='mmdet.ClassificationCost', weight=2.0),
            dict(type='mmdet.DiceCost', pred_act=True, eps=1.0, weight=5.0),
        ],
    ),
    loss_referred=dict(type='mmdet.CrossEntropyLoss', use_sigmoid=True, loss_weight=2.0),
    loss_mask=dict(
        type='mmdet.FocalLoss', use_sigmoid=True, gamma=2.0, alpha=0.25, loss_weight=2.0
    ),
    loss_dice=dict(
        type='mmdet.DiceLoss',
        use_sigmoid=True,
        activate=True,
        naive_dice=True,
        eps=1.0,
        loss_weight=5.0,
    ),
)
