"""A fit has settings of its two stages and of the Lightning trainer."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from setclosure.settings import Settings


class TrainerSettings(Settings):
    """The options of :class:`lightning.pytorch.Trainer` that may be set: devices, machines, precision, loggers."""

    accelerator: str = Field("auto", description="Lightning's accelerator: auto, cpu, gpu, …")
    devices: int | str = Field(1, description="Devices on each machine: a number, or 'auto' for all.")
    num_nodes: int = Field(1, ge=1, description="Machines.")
    strategy: str = Field("auto", description="Lightning's strategy: auto, ddp, …")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = Field("32-true", description="Lightning's precision.")
    loggers: tuple[Literal["csv", "tensorboard"], ...] = Field(
        (), description="Lightning loggers, beside the history that every run keeps."
    )


class StageSettings(Settings):
    """The options that both stages share: optimiser, schedule, stopping."""

    learning_rate: float = Field(1e-3, gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(1e-4, ge=0, description="Weight decay of AdamW.")
    warmup: float = Field(0.02, ge=0, lt=1, description="Share of the steps with a rising learning rate.")
    final_learning_rate: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Learning rate at the end of the cosine schedule, as a share of the peak.",
    )
    gradient_clip: float | None = Field(1.0, gt=0, description="Largest norm of the gradient; null for none.")
    steps_per_epoch: int = Field(
        250, ge=1, description="Steps between two validations and checkpoints: what a kill costs at most."
    )
    steps: int = Field(1, ge=1, description="Optimiser steps.")
    patience: int | None = Field(
        None,
        ge=1,
        description="Validations without improvement after which training stops; null: never. Improvement is that of "
        "the number by which keep chooses.",
    )
    keep: Literal["best", "last"] = Field(
        "best",
        description="Weights at the end: those of the best epoch, by the validation loss in stage one and by the error "
        "of validation rollouts in stage two (the last epoch within one "
        "standard error of the best), or those of the last epoch.",
    )


class StageOneSettings(StageSettings):
    """The options of stage one, which trains encoder and decoder (Algorithm 1, lines 1–15)."""

    steps: int = Field(6000, ge=1, description="Optimiser steps.")
    batch_sets: int = Field(64, ge=1, description="Microstates in a batch, on each device.")
    validation_sets: int = Field(256, ge=1, description="Microstates of the validation loss.")
    transient_share: float = Field(
        0.5, ge=0, le=1, description="Share of the microstates drawn where the observable changes fast."
    )


class StageTwoSettings(StageSettings):
    """The options of stage two, which trains the dynamics on encoded macrostates (Algorithm 1, lines 17–37)."""

    learning_rate: float = Field(5e-3, gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay of AdamW.")
    steps: int = Field(20000, ge=1, description="Optimiser steps.")
    batch_pairs: int = Field(
        2048,
        ge=2,
        description="Pairs (z_t, z_t+1) in a batch, on each device; a window of H steps counts as H pairs.",
    )
    steps_per_epoch: int = Field(1000, ge=1, description="Steps between two validations and checkpoints.")
    views: int = Field(
        2,
        ge=1,
        description="Random rotations under which each training trajectory is encoded (symmetries with rotations).",
    )
    transient_share: float = Field(
        0.0, ge=0, le=1, description="Share of the pairs or windows drawn where the observable changes fast."
    )


class FitSettings(Settings):
    """The options of a fit: budgets of both stages, the Lightning trainer, and memory.

    Examples
    --------
    >>> FitSettings.parse({"stage_one": {"steps": 500}}).stage_one.steps
    500
    """

    stage_one: StageOneSettings = Field(default_factory=StageOneSettings)
    stage_two: StageTwoSettings = Field(default_factory=StageTwoSettings)
    trainer: TrainerSettings = Field(default_factory=TrainerSettings)
    memory_gib: float = Field(8.0, gt=0, description="Microstates are held in memory up to this size.")
