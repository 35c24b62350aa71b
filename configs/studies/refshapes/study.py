# Tables B and C of the R2-VOS supplement on RefShapes. Run with
# python tools/analysis_tools/run_study.py configs/studies/refshapes/study.py --work-dir W
title = 'Methods on RefShapes'
seeds = [0, 1, 2]
processes = 2  # of 4 clips each; the batch size of 8 is part of the budget
# Settings that receive the seed, in addition to `--seed` of the training: the order of the items,
# and their random choices (frames, pairs, augmentation).
seed_keys = ['train_dataloader.sampler.seed', 'train_dataloader.dataset.seed']
kinds = ['other_video', 'attribute', 'relation']  # kinds of negatives in the pairs file

# Paths of configs are relative to this file. A config that is in several tables is trained once.
# Columns are keys of JFRMetric. A row has one line per entry of `gates`; AUROC does not depend on
# the gate.
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
            *[f'R/{kind}' for kind in kinds],
            'AUROC',
            *[f'AUROC/{kind}' for kind in kinds],
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
