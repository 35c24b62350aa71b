# MTTR at the size and budget of the study, trained on all objects of a clip. It has no verdict,
# so there are no negative pairs. Still images need no temporal mixing.
_base_ = ['../../_base_/models/mttr_tiny.py', './_base_/budget.py']
model = dict(backbone=dict(init_cfg=_base_.backbone_weights), neck=dict(temporal_mixing=None))
train_dataloader = dict(
    dataset=dict(
        negatives=None,
        pipeline=[
            *_base_.train_pipeline[:-1],
            dict(type='PackReferringInputs', with_instances=True),
        ],
    )
)
