# Tables B and C of the R2-VOS supplementary on RefShapes:
# python tools/analysis_tools/run_study.py configs/studies/refshapes/study.py --work-dir W
title = 'Methods on RefShapes'
seeds = [0, 1, 2]
processes = 2  # of 4 clips each: the batch of 8 belongs to the budget
# Where a run's seed goes beside `--seed` of the training: order of the items, and what is random
# in them (frames, pairs, augmentation).
seed_keys = ['train_dataloader.sampler.seed', 'train_dataloader.dataset.seed']
strengths = ['other_video', 'attribute', 'relation']  # of the negatives, as the pairs file has them

# Configs are relative to this file; a config of several tables is trained once. Columns are keys
# of JFRMetric. With `gates` of both a row has two lines; AUROC knows no gate.
tables = [
    dict(
        name='methods',
        title='Methods (form of Table C)',
        gates=['off', 'on'],
        columns=[
            'J&F&R',
            'J',
            'F',
            'R',
            *[f'R/{kind}' for kind in strengths],
            'AUROC',
            *[f'AUROC/{kind}' for kind in strengths],
        ],
        rows=[
            dict(label='MTTR', config='mttr.py'),
            dict(label='ReferFormer', config='referformer.py'),
            dict(label='R2-VOS without cycle', config='r2vos_no_cycle.py'),
            dict(label='R2-VOS without relational losses', config='r2vos_no_relation.py'),
            dict(label='R2-VOS', config='r2vos.py'),
        ],
    ),
    dict(
        name='filters',
        title='Dynamic filters (form of Table B)',
        gates=['off', 'on'],
        columns=['J&F', 'J', 'F', 'R', 'AUROC'],
        rows=[
            dict(label='K = 1', config='r2vos_filters1.py'),
            dict(label='K = 2', config='r2vos_filters2.py'),
            dict(label='K = 3', config='r2vos.py'),
            dict(label='K = 4', config='r2vos_filters4.py'),
        ],
    ),
]
