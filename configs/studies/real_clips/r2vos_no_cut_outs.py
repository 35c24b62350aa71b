# Photographs without objects pasted from other photographs.
_base_ = './r2vos.py'
train_dataloader = dict(
    dataset=dict(
        datasets=[
            dict(_base_.train_dataloader.dataset.datasets[0], cut_outs=(1,)),
            _base_.train_dataloader.dataset.datasets[1],
        ]
    )
)
