_base_ = './r2vos/r2vos_tiny_2xb3-3k_refshapes.py'
