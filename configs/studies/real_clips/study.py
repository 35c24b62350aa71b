# Which parts of the small model for photographs and films matter (docs/real_video.md). Run with
# python tools/analysis_tools/run_study.py configs/studies/real_clips/study.py --work-dir W
title = 'Parts of the small model for photographs and films'
seeds = [0, 1, 2]
processes = 1
seed_keys = [
    'train_dataloader.sampler.seed',
    'train_dataloader.dataset.datasets.0.seed',
    'train_dataloader.dataset.datasets.1.seed',
]
tables = [
    dict(
        name='parts',
        title='One part left out or changed',
        gates=['off', 'on'],
        columns=['J&F&R', 'J&F', 'R', 'AUROC', 'cgF1'],
        rows=[
            dict(label='R2-VOS', config='r2vos.py'),
            dict(label='without word maps', config='r2vos_no_words.py'),
            dict(label='words in the verdict only', config='r2vos_words_in_verdict.py'),
            dict(label='without cycle', config='r2vos_no_cycle.py'),
            dict(label='without cut-outs', config='r2vos_no_cut_outs.py'),
            dict(
                label='negative pairs train the verdict only', config='r2vos_negatives_verdict.py'
            ),
            dict(label='backbone trained', config='r2vos_unfrozen.py'),
            dict(label='ReferFormer', config='referformer.py'),
            dict(label='MTTR', config='mttr.py'),
            dict(label='model of RefShapes, fine-tuned', config='r2vos_shapes_tuned.py'),
        ],
    ),
]
