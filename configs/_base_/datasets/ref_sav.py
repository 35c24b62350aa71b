# Ref-SAV, to evaluate models trained on Refer-YouTube-VOS.
_base_ = './ref_youtube_vos.py'
test_dataloader = dict(dataset=dict(type='RefSAVDataset', data_root='data/ref-sav', split='valid'))
