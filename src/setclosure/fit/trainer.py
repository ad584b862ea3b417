"""One Lightning trainer runs every stage: schedule, stopping, checkpoints, history, progress, resume."""

from __future__ import annotations

import logging
import math
import time
import warnings
from pathlib import Path
from typing import Any, ClassVar

import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import CSVLogger, Logger, TensorBoardLogger
from torch import Tensor

from setclosure.errors import ConfigurationError, MissingExtraError, TrainingError
from setclosure.fit.checkpoints import CheckedCheckpoints, KeepCheckpoints, newest_checkpoint
from setclosure.fit.sampling import Steps, step_loader
from setclosure.fit.settings import StageSettings, TrainerSettings
from setclosure.progress import progress

History = list[dict[str, float]]
"""The losses of a stage, a row for each epoch."""


UNCERTAINTY = "_uncertainty"
"""The ending of the key of the history that has the standard error of a score."""


class Stage(LightningModule):
    """The base of the stages, which has AdamW with warm-up and a cosine schedule.

    Parameters
    ----------
    settings : StageSettings
        Optimiser, schedule and number of steps.
    """

    score: ClassVar[str] = "validation_loss"
    """The key of the history whose smallest value tells the best epoch."""

    def __init__(self, settings: StageSettings) -> None:
        super().__init__()
        self.settings, self.n_steps = settings, settings.steps

    def measures(self) -> dict[str, float]:
        """Give numbers for a row of the history that the present weights have beside the losses; none by default."""
        return {}

    def configure_optimizers(self) -> Any:
        """Make AdamW and its schedule of the learning rate by step, for Lightning."""
        parameters = [p for p in self.parameters() if p.requires_grad]
        optimiser = torch.optim.AdamW(
            parameters,
            lr=self.settings.learning_rate,
            weight_decay=self.settings.weight_decay,
            # Lightning cannot clip the gradients of a fused optimiser in mixed precision
            fused=self.trainer.precision == "32-true",
        )
        schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, self._rate)
        return {"optimizer": optimiser, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def validation_loss(self, batch: Any) -> Tensor:
        """Give the loss of the one batch of validation examples."""
        raise NotImplementedError(f"{type(self).__name__} does not say what its validation loss is")

    def _rate(self, step: int) -> float:
        warmup = max(1, round(self.settings.warmup * self.n_steps))
        if step < warmup:
            return (step + 1) / warmup
        done = min(1.0, (step - warmup) / max(1, self.n_steps - warmup))
        low = self.settings.final_learning_rate
        return low + (1 - low) * 0.5 * (1 + math.cos(math.pi * done))


class _Recorder(Callback):
    """A callback that validates at the end of every epoch, keeps the best weights, and shows progress.

    History and best weights are in the checkpoint. Early stopping is decided by the history alone, so that a resumed
    training stops where it would have stopped.
    """

    def __init__(self, what: str, validation: Any, stage: Stage, advance: Any) -> None:
        self.what, self.validation, self.advance = what, validation, advance
        self.score, self.settings = stage.score, stage.settings
        self.rows: History = []
        self.best: dict[str, Tensor] | None = None
        self.total: Tensor | None = None
        self.count, self.seconds, self.started = 0, 0.0, 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.started = time.monotonic()
        self.advance(trainer.global_step, "")
        # Checkpoints are written when an epoch is over, but Lightning goes on inside that epoch after a resume: its
        # first epoch would end after one step, and validations would lie elsewhere than without the kill.
        trainer.fit_loop.epoch_loop.batch_progress.reset_on_run()
        trainer.should_stop = self.exhausted  # stopped already, before a resume

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        loss = outputs["loss"].detach()
        self.total = loss if self.total is None else self.total + loss  # stays on the device, so that no step waits
        self.count += 1
        if trainer.global_step % 10 == 0 and trainer.global_step < trainer.max_steps:
            self.advance(trainer.global_step, self._said())

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self.total is None:
            return
        if not isinstance(pl_module, Stage):
            raise TypeError(f"a {type(pl_module).__name__} is no stage of training")
        loss, measures = self._validate(trainer, pl_module)
        now = time.monotonic()
        self.seconds += now - self.started
        self.started = now
        row = {
            "step": float(trainer.global_step),
            "seconds": self.seconds,
            "train_loss": float(self.total) / self.count,
            "validation_loss": loss,
            **measures,
            "learning_rate": trainer.optimizers[0].param_groups[0]["lr"],
        }
        self.total, self.count = None, 0
        pl_module.log_dict({"validation_loss": loss, **measures})
        if not math.isfinite(row["train_loss"]) or not math.isfinite(row["validation_loss"]):
            raise TrainingError(
                f"{self.what}: the loss is not finite at step {trainer.global_step}. Lower the learning rate, or set "
                "gradient_clip; the newest checkpoint is from before."
            )
        self.rows.append(row)
        if self.settings.keep == "best" and kept_epoch(self.rows, self.score) == len(self.rows) - 1:
            self.best = {name: tensor.detach().cpu().clone() for name, tensor in pl_module.state_dict().items()}
        self.advance(trainer.global_step, self._said())
        trainer.should_stop = trainer.should_stop or self.exhausted

    def _validate(self, trainer: Trainer, stage: Stage) -> tuple[float, dict[str, float]]:
        """Give the validation loss and the stage's other measures, which are those of the first device on all."""
        stage.eval()
        with torch.inference_mode(), trainer.precision_plugin.val_step_context():
            loss = float(stage.validation_loss(trainer.strategy.batch_to_device(self.validation)))
        measured: tuple[float, dict[str, float]] = trainer.strategy.broadcast((loss, stage.measures()))
        stage.train()
        return measured

    def _said(self) -> str:
        """Give the score of the last epoch in words."""
        return f"{self.score.replace('_', ' ')} {self.rows[-1][self.score]:.4g}" if self.rows else ""

    def _epochs_since_best(self) -> int:
        scores = [row[self.score] for row in self.rows]
        return len(scores) - 1 - scores.index(min(scores))

    @property
    def exhausted(self) -> bool:
        """Whether the last ``patience`` validations brought no improvement."""
        patience = self.settings.patience
        return patience is not None and len(self.rows) > 0 and self._epochs_since_best() >= patience

    def state_dict(self) -> dict[str, Any]:
        return {"rows": self.rows, "seconds": self.seconds, "best": self.best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rows, self.seconds = list(state_dict["rows"]), state_dict["seconds"]
        self.best = state_dict["best"]


def train(
    stage: Stage,
    steps: Steps[Any],
    validation: Any,
    folder: Path,
    what: str,
    trainer_settings: TrainerSettings,
    resume: bool = False,
    workers: int = 0,
) -> History:
    """Train ``stage`` to its last step, and give it the weights of its best epoch, or keep the last ones.

    Parameters
    ----------
    stage : Stage
        The stage, whose weights are changed in place.
    steps : Steps
        The batch of each step.
    validation : Any
        The one batch of the validation loss.
    folder : Path
        The folder of checkpoints and logs.
    what : str
        Name of the stage, for progress and messages.
    trainer_settings : TrainerSettings
        Devices, precision, loggers.
    resume : bool
        Whether to go on from the newest whole checkpoint in ``folder``; without one, training starts anew.
    workers : int
        Worker processes of the loader; batches do not depend on their number.

    Returns
    -------
    list of dict
        A row of the history for each epoch.

    Raises
    ------
    TrainingError
        If the loss is not finite.
    KeyboardInterrupt
        If Ctrl-C was pressed; the newest checkpoint stays.
    """
    settings = stage.settings
    checkpoint = newest_checkpoint(folder) if resume else None
    with progress(what, len(steps), "steps") as advance, warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*does not have many workers.*")
        warnings.filterwarnings("ignore", message=".*no `val_dataloader`.*")
        warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
        warnings.filterwarnings("ignore", message=".*LeafSpec.*")
        recorder = _Recorder(what, validation, stage, advance)
        trainer = _trainer(
            trainer_settings,
            max_steps=len(steps),
            gradient_clip_val=settings.gradient_clip,
            callbacks=[recorder, KeepCheckpoints(folder)],
            plugins=[CheckedCheckpoints(), *_environment(trainer_settings)],
            logger=_loggers(trainer_settings, folder),
            default_root_dir=folder,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
            log_every_n_steps=min(50, settings.steps_per_epoch, len(steps)),
        )
        steps.rank = trainer.global_rank
        try:
            trainer.fit(
                stage,
                step_loader(steps, settings.steps_per_epoch, lambda: trainer.global_step, workers),
                ckpt_path=checkpoint,
            )
        except (NotImplementedError, TypeError) as error:
            if trainer.strategy.root_device.type == "mps":  # lacks some operations, and double precision
                raise TrainingError(
                    f"{what}: this PyTorch cannot do on MPS what the model needs ({error}). Train on the processor: "
                    "training.trainer.accelerator: cpu."
                ) from error
            raise
        except SystemExit as error:  # Lightning turns Ctrl-C into exit(1)
            if trainer.interrupted:
                raise KeyboardInterrupt from error
            raise
    if recorder.best is not None:
        stage.load_state_dict(recorder.best)
    return recorder.rows


def kept_epoch(history: History, score: str) -> int:
    """Say which epoch's weights are kept: the last whose score is the least so far, or within its uncertainty of it.

    An epoch that is best by chance, of a training that goes on to learn, is then not preferred to what comes after.

    Examples
    --------
    >>> kept_epoch([{"error": 0.30}, {"error": 0.10}, {"error": 0.11}], "error")
    1
    >>> rows = [{"error": error, "error_uncertainty": 0.02} for error in (0.30, 0.10, 0.11, 0.15)]
    >>> kept_epoch(rows, "error")
    2
    """
    least, limit, kept = math.inf, math.inf, 0
    for epoch, row in enumerate(history):
        if row[score] < least:
            least = row[score]
            limit = least + row.get(f"{score}{UNCERTAINTY}", 0.0)
        if row[score] <= limit:
            kept = epoch
    return kept


def kept_row(history: History, score: str, settings: StageSettings) -> dict[str, float]:
    """Give the row of the history that belongs to the weights that were kept."""
    return history[kept_epoch(history, score)] if settings.keep == "best" else history[-1]


def require_devices(settings: TrainerSettings) -> None:
    """Refuse an accelerator, a strategy or a number of devices that this machine does not have.

    Raises
    ------
    ConfigurationError
        If Lightning cannot train with these settings here.
    """
    _trainer(settings, logger=False, plugins=_environment(settings))


def _environment(settings: TrainerSettings) -> list[LightningEnvironment]:
    """Give the environment of a training on one device, for which no launcher's variables matter.

    A batch system such as SLURM sets them for the whole job; Lightning would take its tasks for devices of this one.
    """
    alone = settings.devices in (1, "1") and settings.num_nodes == 1 and settings.strategy == "auto"
    return [LightningEnvironment()] if alone else []


def _trainer(settings: TrainerSettings, **options: Any) -> Trainer:
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    chosen = settings.model_dump(exclude={"loggers"})
    try:
        return Trainer(
            **chosen, **options, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False
        )
    except (MisconfigurationException, ValueError, KeyError, RuntimeError) as error:
        raise ConfigurationError(
            f"training.trainer: PyTorch Lightning cannot train here with {chosen}: {error} "
            "'accelerator: auto' takes a GPU if this PyTorch finds one, and the processor if not."
        ) from error


def _loggers(settings: TrainerSettings, folder: Path) -> list[Logger] | bool:
    loggers: list[Logger] = []
    if "csv" in settings.loggers:
        loggers.append(CSVLogger(folder, name="csv"))
    if "tensorboard" in settings.loggers:
        try:
            loggers.append(TensorBoardLogger(folder, name="tensorboard"))
        except ModuleNotFoundError as error:
            raise MissingExtraError("the tensorboard logger needs: pip install 'setclosure[tensorboard]'") from error
    return loggers or False
