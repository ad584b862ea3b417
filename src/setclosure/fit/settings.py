"""Settings of the two training stages and of the Lightning trainer."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from setclosure.settings import Settings


class TrainerSettings(Settings):
    """What is handed to :class:`lightning.pytorch.Trainer` as it is: devices, machines, precision, loggers."""

    accelerator: str = Field("auto", description="Lightning's accelerator: auto, cpu, gpu, …")
    devices: int | str = Field(1, description="Devices on each machine: a number, or 'auto' for all.")
    num_nodes: int = Field(1, ge=1, description="Machines.")
    strategy: str = Field("auto", description="Lightning's strategy: auto, ddp, …")
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = Field("32-true", description="Lightning's precision.")
    loggers: tuple[Literal["csv", "tensorboard"], ...] = Field(
        (), description="Lightning loggers, beside the history that every run keeps."
    )


STEPS = "Optimiser steps: at most steps_per_epoch, or a multiple of it."


class StageSettings(Settings):
    """What both stages share: optimiser, schedule, stopping."""

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
    steps: int = Field(1, ge=1, description=STEPS)
    patience: int | None = Field(
        None,
        ge=1,
        description="Stop after so many validations without improvement, with the weights of then; null for all steps.",
    )

    @model_validator(mode="after")
    def _whole_epochs(self) -> Self:
        if self.steps > self.steps_per_epoch and self.steps % self.steps_per_epoch:
            raise ValueError(
                f"steps ({self.steps}) must be a multiple of steps_per_epoch ({self.steps_per_epoch}), so that the "
                "last step has its validation and its checkpoint"
            )
        return self


class StageOneSettings(StageSettings):
    """Stage one: encoder and decoder (Algorithm 1, lines 1–15)."""

    steps: int = Field(6000, ge=1, description=STEPS)
    batch_sets: int = Field(64, ge=1, description="Microstates in a batch, on each device.")
    validation_sets: int = Field(256, ge=1, description="Microstates of the validation loss.")
    transient_share: float = Field(
        0.5, ge=0, le=1, description="Share of the microstates drawn where the observable changes fast."
    )
    dynamics_weight: float | None = Field(
        None,
        ge=0,
        description="λ_dyn of the joint objective L_rec + λ_dyn L_dyn, 0 for the two-stage objective; "
        "null for the method's own, which is 0 unless its row says otherwise.",
    )


class StageTwoSettings(StageSettings):
    """Stage two: drift and diffusion on the encoded macrostates (Algorithm 1, lines 17–37)."""

    learning_rate: float = Field(5e-3, gt=0, description="Peak learning rate of AdamW.")
    weight_decay: float = Field(0.0, ge=0, description="Weight decay of AdamW.")
    steps: int = Field(20000, ge=1, description=STEPS)
    batch_pairs: int = Field(2048, ge=2, description="One-step pairs (z_t, z_t+1) in a batch, on each device.")
    steps_per_epoch: int = Field(1000, ge=1, description="Steps between two validations and checkpoints.")
    views: int = Field(
        2,
        ge=1,
        description="Random rotations under which each training trajectory is encoded (euclidean symmetry).",
    )
    transient_share: float = Field(
        0.0, ge=0, le=1, description="Share of the pairs drawn where the observable changes fast."
    )
