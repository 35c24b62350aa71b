# YoURVOS, untrimmed videos, to evaluate models trained on Refer-YouTube-VOS. Its tIoU is
# tIoU_yourvos.
_base_ = './ref_youtube_vos.py'
test_dataloader = dict(dataset=dict(type='YoURVOSDataset', data_root='data/yourvos', split='test'))
test_evaluator = dict(groups=['quality', 'presence', 'verdict'])
