# What negative pairs should train: the verdict only, as in the paper, or the mask head as well.
# Run with
# python tools/analysis_tools/run_study.py configs/studies/refshapes_negatives/study.py --work-dir W
_base_ = '../refshapes/study.py'
title = 'What negative pairs train, on RefShapes'
processes = 1  # with batch_size=8 of the options below in place of 2 processes of 4 clips
tables = [
    dict(
        name='negatives',
        title='Negative pairs in the losses of the mask head',
        gates=['off', 'on'],
        columns=[
            'J&F&R',
            'J&F',
            'R',
            *[f'R/{kind}' for kind in _base_.kinds],
            'AUROC',
            'cgF1',
        ],
        rows=[
            dict(label='R2-VOS without cycle', config='r2vos_no_cycle.py'),
            dict(label='R2-VOS', config='r2vos.py'),
            dict(label='R2-VOS, scores of negatives', config='r2vos_negative_scores.py'),
            dict(label='R2-VOS, scores and masks of negatives', config='r2vos_negative_masks.py'),
        ],
    ),
]
