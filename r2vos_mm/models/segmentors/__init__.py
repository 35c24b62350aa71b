"""Segmentors: whole models."""

from .referring_video_segmentor import PredictConfig, ReferringVideoSegmentor

__all__ = ['PredictConfig', 'ReferringVideoSegmentor']
