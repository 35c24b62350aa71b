# Table C: the verdict 1(A) is not used to empty masks.
_base_ = '../r2vos_video-swin-t_8xb1-6e_ref-ytvos.py'
model = dict(test_cfg=dict(gate_threshold=0.0))
visualizer = dict(threshold=0.0)  # do not draw 'not in the video' either
