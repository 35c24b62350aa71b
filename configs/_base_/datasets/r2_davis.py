# R2-DAVIS from r2vos data r2-davis: 52 positive pairs on videos of 480p and
# three kinds of negative pairs, to evaluate models trained on Refer-YouTube-VOS.
_base_ = './ref_youtube_vos.py'
test_dataloader = dict(
    dataset=dict(data_root='data/r2-davis', split='valid', pairs_file='pairs/r2-davis-n1.json')
)
test_evaluator = dict(groups=['quality', 'robustness', 'cgf1', 'verdict', 'gate', 'no_target'])
