"""FECNet: the amplitude of the picture's spectrum is corrected first (lightness), then its phase (structure)."""

from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from luxel.benchmark.blocks.features import FeatureNetwork, Features, Width
from luxel.benchmark.blocks.heads import LastConvolution, PooledScore
from luxel.benchmark.blocks.layers import mean_and_deviation
from luxel.benchmark.facts import BenchmarkTask, Cost, Facts

FACTS = Facts(
    name="fecnet",
    title="FECNet",
    family="enhancement",
    tasks=("pixel", "score"),
    kind="exact",
    costs={"pixel": Cost(151_931, 5_813_125_228), "score": Cost(157_291, 5_812_081_900)},
    note=(
        "without the 12 parameters the published network declares and never uses; its lift of the amplitude net's "
        "change (64 parameters) is trained, while the published code cuts it off from the gradient"
    ),
    reference="Deep Fourier-based Exposure Correction Network with Spatial-Frequency Interaction, ECCV 2022",
    licence="none stated",
    official_params=151_965,
    paper_params="9M",
    paper_mae=0.08,
    paper_ssim=0.35,
    paper_psnr=23.22,
    paper_lcc=0.74,
    paper_srcc=0.69,
    lr=1e-3,
)

SLOPE = 0.1
SILENCE = 1e-3
"""Magnitude below which a coefficient is rounding noise: its angle is taken as 0, and has no gradient."""

FourierPart = Literal["amplitude", "phase"]


class FECNet(FeatureNetwork):
    """Features of the phase net at full resolution, and of the amplitude net's bottleneck at stride 4."""

    def __init__(self, width: int = 8) -> None:
        super().__init__()
        self.widths = (Width(1, 2 * width), Width(4, 3 * width))
        self.amplitude = AmplitudeNet(width)
        self.phase = PhaseNet(2 * width)

    def forward(self, image: Tensor) -> Features:
        if self.training or len(image) == 1:
            return self._of_batch(image)
        # A phase jumps by 2 pi where rounding takes a coefficient across the negative axis, and rounding depends on
        # the size of the batch. One image at a time, the map of an image is the same in any batch.
        alone = [self._of_batch(image[i : i + 1]) for i in range(len(image))]
        return Features(tuple(torch.cat(maps) for maps in zip(*(one.maps for one in alone), strict=True)))

    def _of_batch(self, image: Tensor) -> Features:
        lit, bottleneck = self.amplitude(image)
        return Features((self.phase(image, lit), bottleneck))


class AmplitudeNet(nn.Module):
    """U-shaped net on amplitudes. Returns the relit picture [B, 3, H, W] and the bottleneck [B, 3C, H / 4, W / 4]."""

    def __init__(self, width: int) -> None:
        super().__init__()
        one, two, three = width, 2 * width, 3 * width
        self.enter = nn.Conv2d(3, one, 1)
        self.level1, self.level2 = Interaction(one, "amplitude"), Interaction(two, "amplitude")
        self.bottleneck = Interaction(three, "amplitude")
        self.down1, self.down2 = nn.Conv2d(one, two, 2, 2), nn.Conv2d(two, three, 2, 2)
        self.fuse2, self.fuse1 = nn.Conv2d(three + two, two, 1), nn.Conv2d(two + one, one, 1)
        self.up2, self.up1 = Interaction(two, "amplitude"), Interaction(one, "amplitude")
        self.leave, self.last = nn.Conv2d(one, 3, 1), nn.Conv2d(3, 3, 1)

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        x1 = self.level1(self.enter(image))
        x2 = self.level2(self.down1(x1))
        bottleneck = self.bottleneck(self.down2(x2))
        x = self.up2(self.fuse2(_grown_onto(x2, bottleneck)))
        x = self.up1(self.fuse1(_grown_onto(x1, x)))
        return self.last(image + self.leave(x)), bottleneck


class PhaseNet(nn.Module):
    """Net on phases at full resolution; what the amplitude net changed modulates its first two blocks.

    image, lit: [B, 3, H, W]. Returns [B, C, H, W].
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gate = nn.Sequential(
            nn.Conv2d(6, 1, 3, padding=1), nn.LeakyReLU(SLOPE), nn.Conv2d(1, 6, 3, padding=1), nn.Sigmoid()
        )
        self.enter = nn.Conv2d(6, width, 1)
        self.lift = nn.Conv2d(3, width, 1)
        self.blocks = nn.ModuleList(Interaction(width, "phase") for _ in range(4))
        self.modulations = nn.ModuleList(Modulation(width) for _ in range(2))

    def forward(self, image: Tensor, lit: Tensor) -> Tensor:
        both = torch.cat([lit, exchange_amplitude(image, lit)], 1)
        x = self.enter(both * self.gate(mean_and_deviation(both)))
        change = self.lift((lit - image).detach())
        for block, modulation in zip(self.blocks, self.modulations, strict=False):
            x = modulation(block(x), change)
        for block in self.blocks[len(self.modulations) :]:
            x = block(x)
        return cast(Tensor, x)


class Interaction(nn.Module):
    """SFI block: a spatial and a frequency branch of two units each, which hear of each other half way.

    [B, C, H, W] to the same shape, any H and W.
    """

    def __init__(self, channels: int, mode: FourierPart) -> None:
        super().__init__()
        self.enter = nn.Conv2d(channels, channels, 1)
        self.spatial1, self.spatial2 = _spatial_unit(channels), _spatial_unit(channels)
        self.frequency1, self.frequency2 = FrequencyUnit(channels, mode), FrequencyUnit(channels, mode)
        self.to_spatial = nn.Conv2d(channels, channels, 3, padding=1)
        self.to_frequency = nn.Conv2d(channels, channels, 3, padding=1)
        self.merge = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        size = x.shape[-2:]
        frequency = self.frequency1(spectrum(self.enter(x)))
        spatial = x + self.spatial1(x)
        spatial = spatial + self.to_spatial(image_of(frequency, size))
        frequency = self.frequency2(frequency + spectrum(self.to_frequency(spatial)))
        spatial = spatial + self.spatial2(spatial)
        return x + cast(Tensor, self.merge(torch.cat([spatial, image_of(frequency, size)], 1)))


class FrequencyUnit(nn.Module):
    """Two 1x1 convolutions on the amplitude, or on the phase, of a spectrum [B, C, H, W // 2 + 1]; the other stays."""

    def __init__(self, channels: int, mode: FourierPart) -> None:
        super().__init__()
        self.mode = mode
        self.layers = nn.Sequential(
            nn.Conv2d(channels, channels, 1), nn.LeakyReLU(SLOPE), nn.Conv2d(channels, channels, 1)
        )

    def forward(self, frequency: Tensor) -> Tensor:
        # Amplitudes span six decades: half precision would lose all but the largest.
        device = frequency.device.type  # "meta", where only costs are counted, has no autocast to turn off
        with torch.autocast(device if torch.amp.is_autocast_available(device) else "cpu", enabled=False):
            amplitude, phase = polar(frequency)
            if self.mode == "amplitude":
                return from_polar(self.layers(amplitude), phase)
            return from_polar(amplitude, self.layers(phase))


class Modulation(nn.Module):
    """SFT: x scaled and shifted pixel by pixel as `change` says, beside x itself: [B, C, H, W] to the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.scale = nn.Conv2d(channels, channels, 3, padding=1)
        self.shift = nn.Conv2d(channels, channels, 3, padding=1)
        self.merge = nn.Conv2d(2 * channels, channels, 1)

    def forward(self, x: Tensor, change: Tensor) -> Tensor:
        return cast(Tensor, self.merge(torch.cat([x, x * self.scale(change) + self.shift(change)], 1)))


def spectrum(x: Tensor) -> Tensor:
    """Half of the discrete Fourier transform of real maps: [B, C, H, W] to complex [B, C, H, W // 2 + 1].

    The coefficients that are their own conjugates, the mean first of all, are real to the last bit: with a rounding
    error in the imaginary part the phase of a negative one would be pi or -pi by chance.
    """
    h, w = x.shape[-2:]
    frequency = torch.fft.rfft2(x.float())
    real = torch.zeros(h, w // 2 + 1, dtype=torch.bool, device=x.device)
    real[:: h // 2 if h % 2 == 0 else h, :: w // 2 if w % 2 == 0 else w] = True
    return torch.complex(frequency.real, frequency.imag.masked_fill(real, 0.0))


def image_of(frequency: Tensor, size: tuple[int, ...]) -> Tensor:
    """The real maps [B, C, H, W] of a half spectrum. size: H and W, which an odd W could not do without."""
    return cast(Tensor, torch.fft.irfft2(frequency, s=size))


def polar(frequency: Tensor) -> tuple[Tensor, Tensor]:
    """Amplitude and phase in (-pi, pi], both with finite gradients everywhere, as they must be at 0."""
    real, imaginary = frequency.real, frequency.imag
    power = real.square() + imaginary.square()
    silent = power < SILENCE**2
    phase = torch.atan2(imaginary.masked_fill(silent, 0.0), real.masked_fill(silent, 1.0))
    return torch.sqrt(power + 1e-8), phase


def from_polar(amplitude: Tensor, phase: Tensor) -> Tensor:
    """The complex numbers of amplitudes, which may be negative here, and phases."""
    return torch.complex(amplitude * torch.cos(phase), amplitude * torch.sin(phase))


def exchange_amplitude(structure: Tensor, light: Tensor) -> Tensor:
    """The picture with the phases of one and the amplitudes of the other: two [B, C, H, W] to the same shape."""
    amplitude, phase = polar(spectrum(light))[0], polar(spectrum(structure))[1]
    return image_of(from_polar(amplitude, phase), structure.shape[-2:])


def network(*, tiny: bool = False) -> FeatureNetwork:
    """FECNet with random weights."""
    return FECNet(4 if tiny else 8)


def head(network: FeatureNetwork, task: BenchmarkTask) -> nn.Module:
    """Its last 1x1 convolution for the map; for the score the means of the phase features and of the bottleneck."""
    return LastConvolution(network, kernel=1) if task == "pixel" else PooledScore(network)


def _spatial_unit(channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.LeakyReLU(SLOPE),
        nn.Conv2d(channels, channels, 3, padding=1),
        nn.LeakyReLU(SLOPE),
    )


def _grown_onto(fine: Tensor, coarse: Tensor) -> Tensor:
    grown = F.interpolate(coarse, fine.shape[-2:], mode="bilinear", align_corners=False)
    return torch.cat([grown, fine], 1)
