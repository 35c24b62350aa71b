# As main_6e.py, with 12 epochs and learning rate drops after 8 and 10.
_base_ = './main_6e.py'
train_cfg = dict(max_epochs=12)
param_scheduler = [
    dict(
        type='MultiStepLR',
        by_epoch=True,
        milestones=[8, 10],
        gamma=0.1,
        end=12,
        convert_to_iter_based=True,
    )
]
