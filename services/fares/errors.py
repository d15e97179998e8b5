"""What can go wrong with a fare. Codes: 1xx tariff, network and quotes; 2xx at a reader; 3xx at clearing;
4xx adjustments and settlement. Signatures and certificates of taps fail with the WALLET-1xx of wallets/errors.py.

    FareError                      FARE-000
    ├── ReaderError                FARE-200  the gate stays shut
    │   ├── CardDeniedError        FARE-201  on the denylist
    │   ├── PassBackError          FARE-202  the same card again within seconds
    │   ├── CeilingError           FARE-203  offline ceilings of this reader
    │   ├── CapError               FARE-204  the card's monthly offline cap
    │   ├── PenaltyError           FARE-205  too large an unpaid penalty
    │   ├── OutBeforeInError       FARE-206  a tap-off without its tap-on
    │   ├── ClockError             FARE-207  times that cannot be
    │   ├── DenylistStaleError     FARE-208  the denylist is too old to open by
    │   ├── ReaderFullError        FARE-209  the offline store is full
    │   ├── CompletionError        FARE-210  the card's signature does not complete an offer
    │   └── DenylistError          FARE-211  an update of the denylist that does not hold
    ├── UploadError                FARE-300  an upload or an entry of it is not taken
    │   ├── MalformedError         FARE-301  unreadable bytes
    │   ├── HeadSignatureError     FARE-302  the head of the chain is not signed by its reader
    │   ├── UnknownCardError       FARE-303  no certificate came with the card's taps
    │   ├── FutureClockError       FARE-304  a tap from the future
    │   ├── StaleClockError        FARE-305  a tap older than can still be settled
    │   ├── ChainBrokenError       FARE-306  the reader's chain does not join
    │   ├── UnknownPlaceError      FARE-307  a station or line that the network does not have
    │   ├── WrongTariffError       FARE-308  not the tariff of the journey's first tap-on
    │   ├── WrongAmountsError      FARE-309  sums or days that cannot follow from a tap
    │   └── OtherStationError      FARE-310  a tap completed by a reader of another place
    └── SettlementError            FARE-400  a record, batch or correction cannot be made
        ├── NotYetError            FARE-401  too early for this step
        ├── NothingToAdjustError   FARE-402  no record or amount that could be corrected
        ├── BatchLostError         FARE-403  a submitted batch is not found on the chain
        └── UnallocatableError     FARE-404  a late tap that no record's suspense explains
"""

from __future__ import annotations

from services.errors import ServiceError


class FareError(ServiceError):
    """Something about a fare is wrong."""

    code = "FARE-000"


class ReaderError(FareError):
    """The reader does not open for this card."""

    code = "FARE-200"
    do = "Show another card, or ask the station's staff."
    ko = "이 카드로는 탑승할 수 없습니다."


class CardDeniedError(ReaderError):
    """The card stands on the denylist."""

    code = "FARE-201"
    do = "Ask the card's bank for the reason; it lifts the block."
    ko = "사용이 정지된 카드입니다."


class PassBackError(ReaderError):
    """The same card was at this gate a moment ago."""

    code = "FARE-202"
    do = "Wait three seconds; one card opens for one person."
    ko = "잠시 후 다시 찍어 주세요."


class CeilingError(ReaderError):
    """What this reader may open for one card while offline is used up."""

    code = "FARE-203"
    do = "Use a reader that is online."
    ko = "오프라인 이용 한도를 넘었습니다."


class CapError(ReaderError):
    """The card's monthly sum reaches its cap."""

    code = "FARE-204"
    do = "Top the card up; the bank then issues a certificate with a higher cap."
    ko = "카드 이용 한도를 넘었습니다."


class PenaltyError(ReaderError):
    """A penalty too large to carry on is unpaid."""

    code = "FARE-205"
    do = "Settle the missing tap-off at the station's office."
    ko = "미납 추가운임을 먼저 정산해 주세요."


class OutBeforeInError(ReaderError):
    """A tap-off without a tap-on that it could close."""

    code = "FARE-206"
    do = "Settle at the station's office."
    ko = "승차 기록이 없습니다."


class ClockError(ReaderError):
    """The times of the card's last tap and of this reader cannot both be right."""

    code = "FARE-207"
    do = "Have the reader's clock set; more than 90 seconds of skew is refused."
    ko = "단말기 시각이 맞지 않습니다."


class DenylistStaleError(ReaderError):
    """The reader's denylist is too old to open by."""

    code = "FARE-208"
    do = "Bring the reader online."
    ko = "단말기가 오래 오프라인 상태입니다."


class ReaderFullError(ReaderError):
    """The reader's store of taps not uploaded yet is full."""

    code = "FARE-209"
    do = "Bring the reader online, so that it can upload."
    ko = "단말기 저장 공간이 가득 찼습니다."


class CompletionError(ReaderError):
    """The answer of the card does not complete the offer."""

    code = "FARE-210"
    do = "Tap again."
    ko = "카드를 다시 찍어 주세요."


class DenylistError(ReaderError):
    """An update of the denylist does not hold or does not follow."""

    code = "FARE-211"
    do = "Fetch the full list from the clearing house."
    ko = "정지 목록을 갱신하지 못했습니다."


class UploadError(FareError):
    """An upload of taps, or one entry of it, is not taken. It is kept for the operator to see."""

    code = "FARE-300"
    do = "Look at the entry in the refusals; the reader keeps it until it is taken or explained."
    ko = "탭 기록을 받을 수 없습니다."


class MalformedError(UploadError):
    """The bytes are no upload or no entry."""

    code = "FARE-301"
    do = "Send the entry again."
    exit_code = 2


class HeadSignatureError(UploadError):
    """The head of the chain is not signed by its reader."""

    code = "FARE-302"
    do = "Send the upload again; if it is refused again, examine the reader."


class UnknownCardError(UploadError):
    """No certificate came with the card's taps."""

    code = "FARE-303"
    do = "Send the card's certificate along with its taps."


class FutureClockError(UploadError):
    """The tap's time lies ahead of the clearing house's clock."""

    code = "FARE-304"
    do = "Set the reader's clock."


class StaleClockError(UploadError):
    """The tap is older than a card may still be settled."""

    code = "FARE-305"


class ChainBrokenError(UploadError):
    """The entry does not join the reader's chain as it was uploaded before."""

    code = "FARE-306"
    do = "Examine the reader: it signed two histories, or its store is damaged."


class UnknownPlaceError(UploadError):
    """The tap names a station or line that the network does not have."""

    code = "FARE-307"


class WrongTariffError(UploadError):
    """The tap's tariff is not the one in force at the journey's first tap-on."""

    code = "FARE-308"


class WrongAmountsError(UploadError):
    """The state's sums or days cannot follow from a tap."""

    code = "FARE-309"


class OtherStationError(UploadError):
    """The tap was offered at another place than that of the reader that completed it."""

    code = "FARE-310"


class SettlementError(FareError):
    """A record, batch or correction cannot be made."""

    code = "FARE-400"


class NotYetError(SettlementError):
    """It is too early for this step."""

    code = "FARE-401"
    do = "Wait until the time that the message names."


class NothingToAdjustError(SettlementError):
    """No settled record or amount that could be corrected."""

    code = "FARE-402"


class BatchLostError(SettlementError):
    """A submitted batch is not found on the chain."""

    code = "FARE-403"
    do = "Submit again; the agreement refuses what it already booked."


class UnallocatableError(SettlementError):
    """A late tap that the suspense of no settled record explains."""

    code = "FARE-404"
