# Long-RVOS, to evaluate models trained on Refer-YouTube-VOS. Metrics are also reported for static,
# dynamic and hybrid expressions.
_base_ = './ref_youtube_vos.py'
test_dataloader = dict(
    dataset=dict(type='LongRVOSDataset', data_root='data/long-rvos', split='valid')
)
test_evaluator = dict(groups=['quality', 'presence', 'verdict'])
