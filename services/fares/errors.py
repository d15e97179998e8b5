"""What can go wrong with a fare: 1xx quotes, 2xx readers, 3xx clearing, 4xx settling, 5xx disputes; taps: WALLET-1xx.

FareError                      FARE-000
├── QuoteInputError            FARE-100  a fare cannot be priced as it was asked
│   ├── QuoteFormatError       FARE-101  no JSON, wrong shape, unknown or missing fields
│   ├── UnknownStationError    FARE-102  no station of that name
│   ├── AmbiguousStationError  FARE-103  two stations share the name
│   ├── QuoteTimeError         FARE-104  a time without offset, with fractions, or missing
│   ├── TapOrderError          FARE-105  taps that cannot follow each other
│   ├── MediaError             FARE-106  a medium that the mode does not take
│   ├── DistanceError          FARE-107  metres that cannot be
│   └── FareLimitError         FARE-108  a bound of limits.py is exceeded
├── NotPricedError             FARE-120  the tariff has no answer
│   ├── BeforeFirstTariffError FARE-121  older than the first table
│   ├── FareNotInTablesError   FARE-122  no row for this mode, class and payment
│   └── UnknownTariffError     FARE-123  no tariff of that id
├── NotInNetworkError          FARE-130  something needed is not there
│   ├── NoPathError            FARE-131  a station or pair without a path
│   ├── NoAirportTableError    FARE-132  no table for this airport bus
│   └── UnknownOperatorError   FARE-133  no organisation runs this route
├── TariffDataError            FARE-140  a data file of the tariff is damaged
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
│   ├── DenylistError          FARE-211  an update of the denylist that does not hold
│   └── ReaderStoreError       FARE-212  the reader's file is damaged (reader_store.py)
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
    └── SumFallsError          FARE-405  a card's signed sum is below what is settled
"""

from __future__ import annotations

from services.errors import ServiceError


class FareError(ServiceError):
    """Something about a fare is wrong."""

    code = "FARE-000"


class QuoteInputError(FareError):
    """The fare cannot be priced as it was asked for."""

    code = "FARE-100"
    do = "Correct the input; `dure fare quote --help` shows a valid document."
    ko = "입력을 확인해 주세요."
    exit_code = 2


class QuoteFormatError(QuoteInputError):
    """The document is not what a quote takes."""

    code = "FARE-101"


class UnknownStationError(QuoteInputError):
    """No station has this name, or none on this line."""

    code = "FARE-102"
    do = "Use one of the names that the message suggests."
    ko = "없는 역 이름입니다."


class AmbiguousStationError(QuoteInputError):
    """Two stations share this name."""

    code = "FARE-103"
    do = "Name the line as well, as in 신촌:2호선."
    ko = "같은 이름의 역이 둘 이상입니다. 노선을 함께 적어 주세요."


class QuoteTimeError(QuoteInputError):
    """A time is missing, has no offset from UTC, or has fractions of a second."""

    code = "FARE-104"
    do = "Write times as 2025-10-01T08:10:00+09:00."
    ko = "시각은 2025-10-01T08:10:00+09:00 형식으로 적어 주세요."


class TapOrderError(QuoteInputError):
    """Taps stand in an order in which they cannot have happened."""

    code = "FARE-105"
    do = "Give the legs in the order in which they were ridden; clocks may differ by 90 seconds at most."
    ko = "탭의 순서나 시각이 맞지 않습니다."


class MediaError(QuoteInputError):
    """The mode does not take this medium."""

    code = "FARE-106"
    do = "SINGLE is for SUBWAY only, CASH for buses only; everything else needs CARD."
    ko = "이 교통수단에서 쓸 수 없는 지불 수단입니다."


class DistanceError(QuoteInputError):
    """The metres of a leg are missing, impossible, or contradict its stations."""

    code = "FARE-107"
    do = "Give the stations of a rail leg or its metres; buses need metres."


class FareLimitError(QuoteInputError):
    """A bound of limits.py is exceeded."""

    code = "FARE-108"
    do = "Split the input; services/fares/limits.py names each bound and its reason."


class NotPricedError(FareError):
    """The tariff has no answer to this."""

    code = "FARE-120"
    do = "Ask for a fare that the tables hold; services/fares/data lists them."
    ko = "운임표에 없는 운임입니다."


class BeforeFirstTariffError(NotPricedError):
    """The time lies before the first table."""

    code = "FARE-121"
    ko = "첫 운임표보다 이른 시각입니다."


class FareNotInTablesError(NotPricedError):
    """No row of the tables has this mode, class and payment on this date."""

    code = "FARE-122"


class UnknownTariffError(NotPricedError):
    """No tariff has this id."""

    code = "FARE-123"


class NotInNetworkError(FareError):
    """Something that the price needs is not there."""

    code = "FARE-130"
    do = "Give the metres of the leg instead of its stations."
    ko = "필요한 자료가 없습니다."
    exit_code = 3


class NoPathError(NotInNetworkError):
    """The priced network has no path for this station or pair."""

    code = "FARE-131"
    ko = "운임 거리표에 경로가 없습니다."


class NoAirportTableError(NotInNetworkError):
    """Airport buses are priced route by route, and this route has no row."""

    code = "FARE-132"
    do = "Add the route to services/fares/data/airport_routes.csv."
    ko = "이 공항버스 노선의 운임표가 없습니다."


class UnknownOperatorError(NotInNetworkError):
    """No organisation is known to run this route."""

    code = "FARE-133"
    do = "Add the operator to services/fares/data/operators.csv."


class TariffDataError(FareError):
    """A data file of the tariff is damaged; nothing is priced from it."""

    code = "FARE-140"
    do = "Restore services/fares/data from the release."
    ko = "운임 자료가 손상되었습니다."
    exit_code = 4


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


class SumFallsError(SettlementError):
    """A card's signed sum is below what is settled of it."""

    code = "FARE-405"
    do = "Look for a clone of the card; the state that is still missing proves it."
