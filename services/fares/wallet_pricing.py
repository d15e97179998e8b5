"""The public tariff as a wallet asks it: each tap priced again by the rules that readers use (wallets.card.Pricing).

What a wallet cannot know it takes from the tap: where it was made and when, and how far a bus measured its leg
(money.md §2). Metres on rail it takes from the network and surcharged sections from the two gates, so that a gate can
neither lengthen a ride nor add a section to it.
"""

from __future__ import annotations

from contracts.codes import RiderClass
from contracts.messages import CardCertificate
from services.fares.journeys import Charge, tap_off, tap_on
from services.fares.rules import is_rail, own_part_won
from services.fares.sections import rail_ride
from wallets.card import Price
from wallets.presentation import SignedTap
from wallets.taps import Tap


def public_price(certificate: CardCertificate, last: SignedTap | None, tap: Tap) -> Price:
    """What `tap` costs after `last` (None before the first) by the tariff in force.

    Raises FareError where tariff or network have no answer: ClockError, OutBeforeInError, UnknownStationError,
    DistanceError, BeforeFirstTariffError and others of its tree.
    """
    charge = _off(last, tap) if tap.kind == "OUT" else _on(certificate, last, tap)
    own = own_part_won(charge.charge_won, charge.penalty_won, tap.mode, certificate.modes, certificate.per_tap_cap_won)
    return Price(charge.charge_won, own, charge.missing_out_won, charge.journey)


def _on(certificate: CardCertificate, last: SignedTap | None, tap: Tap) -> Charge:
    return tap_on(
        last.tap if last else None,
        last.state.missing_out_won if last else 0,
        seq=last.state.seq + 1 if last else 1,
        time=tap.time,
        mode=tap.mode,
        route=tap.route,
        stop=tap.stop,
        line=tap.line,
        rider_class=RiderClass(certificate.rider_class),
    )


def _off(last: SignedTap | None, tap: Tap) -> Charge:
    before = last.tap if last else None
    metres, sections = _ride(before, tap) if before else (0, ())
    return tap_off(
        before,
        time=tap.time,
        mode=tap.mode,
        route=tap.route,
        stop=tap.stop,
        line=tap.line,
        metres=metres,
        sections=sections,
    )


def _ride(before: Tap, tap: Tap) -> tuple[int, tuple[str, ...]]:
    if not is_rail(tap.mode):
        return tap.journey.metres - before.journey.metres, ()
    return rail_ride(tap.mode, _place(before), _place(tap))


def _place(tap: Tap) -> str:
    return f"{tap.stop}:{tap.line}" if tap.line else tap.stop
